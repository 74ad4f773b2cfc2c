# The Debian package, by CPack; scripts/package runs it.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME warmcast)
set(CPACK_PACKAGE_VENDOR Warmcast)
set(CPACK_PACKAGE_CONTACT "Warmcast <warmcast@localhost>")
set(CPACK_PACKAGING_INSTALL_PREFIX ${CMAKE_INSTALL_PREFIX})
set(CPACK_STRIP_FILES ON)

set(CPACK_DEBIAN_PACKAGE_VERSION ${WARMCAST_BUILD_VERSION})
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION "media-delivery cluster that sends each viewer to a node that holds the video
One daemon, warmcastd, is an api node (where do I watch this?), a delivery node
(HLS and DASH out of a local cache), or both. All nodes know by gossip what each
cache holds, so viewers are sent where the content is warm.

Nothing is started by the installation: /etc/warmcast/warmcast.yaml comes first,
and there is an example in /usr/share/doc/warmcast/examples.")
# Libraries by what the programs need of them; the user is made by systemd-sysusers.
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "systemd | systemd-standalone-sysusers")
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
  ${CMAKE_CURRENT_SOURCE_DIR}/debian/postinst ${CMAKE_CURRENT_SOURCE_DIR}/debian/prerm
  ${CMAKE_CURRENT_SOURCE_DIR}/debian/postrm)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)

install(FILES ${CMAKE_SOURCE_DIR}/LICENSE DESTINATION share/doc/warmcast RENAME copyright)
if(WARMCAST_MAN_DIR)
  install(DIRECTORY ${WARMCAST_MAN_DIR}/ DESTINATION share/man)
endif()
include(CPack)
